//! THE WIRE. Bytes in, bytes out; what they mean is the language's business (`commands`).
pub mod resp;
