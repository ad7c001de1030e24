"""TorchX components of the stages, and the chain that runs them in order."""
