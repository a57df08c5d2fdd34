"""Programs of others for tests of deployment: built by Go once, at fixed versions, kept in the cache."""
