"""EasyPost: trackers for many carriers, told by signed messages."""
