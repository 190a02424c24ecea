//! The operator's port: each page, who may ask for it, and the metrics.

mod metrics;
mod pages;
