"""Programs of others that the tests of deployment need: built by Go once, at fixed versions, kept in the cache."""
