//! End-to-end tests: the whole program over its own HTTP, as a user drives it. See `api/`, and `aws/` for the deployed one.
