//! How downstream speaks.
