//! Configuration: the file as written, resolved whole, and the runtime as run.

mod runtime;

pub use runtime::Runtime;
