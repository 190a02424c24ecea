//! The bad day: backends that fail, hang, push back or go, and a gateway that makes the best of it.

mod breaker;
mod ejection;
mod health;
mod hedges;
mod kill;
mod overload;
mod retries;
pub(crate) mod site;
