"""Checkpoints: tensors as raw bytes, everything else as JSON, whatever the sharding.

    checkpoints/step-0000001000/    best/ (the model's tensors only)
      checkpoint.json      which box of which tensor lies where, each file's digest, the progress
      model-<rank>.bin  optimizers-<rank>.bin      the boxes that a rank wrote
      spec.toml  plan.txt  plan.json      what the run was, for people; not read again

``torch.distributed.checkpoint`` plans who writes and who reads which box, so a checkpoint of any
sharding and number of ranks fills a model of any other. Nothing that is read is unpickled. A
directory whose name has no ending was whole when it got it: ``.partial`` is still being written,
``.replaced`` makes room for another, and ``.damaged`` was found not to be what was written.
"""
