"""Documents that follow from the code: built by `sps docs build`, compared by `sps docs check`."""
