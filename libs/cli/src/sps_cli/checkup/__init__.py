"""What `sps doctor` looks at before anything starts. Nothing here writes anywhere."""
