//! The bad day: backends that fail, hang, push back or go, and a gateway that makes the best of it.

pub(crate) mod bad_day;
mod breaker;
mod ejection;
mod health;
mod hedges;
mod overload;
mod retries;
pub(crate) mod site;
