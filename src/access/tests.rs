//! Users, their rules and their file.
