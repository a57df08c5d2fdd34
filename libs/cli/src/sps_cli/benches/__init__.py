"""The parts of `sps bench`, each of which measures one thing and can be run alone."""
