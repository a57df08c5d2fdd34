"""Blocks, batches, certificates, Merkle trees, proofs, the light client and the execution of a block."""
