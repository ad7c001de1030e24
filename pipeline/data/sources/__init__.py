"""Raw click logs, row group by row group or block by block, as dictionary-encoded columns."""
