"""Multi-embedding recommendation models: from raw click logs to a report, on TorchRec."""
