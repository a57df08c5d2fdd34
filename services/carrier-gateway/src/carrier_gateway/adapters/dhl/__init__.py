"""DHL: the unified tracking API, pulled and pushed. A push is not signed, so it is only a hint."""
