#![allow(missing_docs, unused)]
use super::*;
#[derive(Debug)]
pub struct ParameterError;
impl ParameterError {
    pub fn unknown(_: &str) -> Self {
        Self
    }
    pub fn is_unknown(&self) -> bool {
        false
    }
    pub fn name(&self) -> &str {
        ""
    }
}
impl std::fmt::Display for ParameterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub struct Parameters<'a>(&'a mut Vec<u8>);
impl<'a> Parameters<'a> {
    pub fn new(_: &'a Plan, o: &'a mut Vec<u8>) -> Self {
        Self(o)
    }
    pub fn set(&mut self, _: &str, _: &str) -> Result<(), ParameterError> {
        Ok(())
    }
}
pub struct Slot;
impl Slot {
    pub fn compile(_: &Plan, _: &str) -> Result<Self, ParameterError> {
        Ok(Self)
    }
    pub fn write(&self, _: &str, _: &mut Vec<u8>) -> Result<(), ParameterError> {
        Ok(())
    }
}
impl Plans {
    pub fn status_json<'a>(
        &self,
        _: u32,
        _: &str,
        _: impl Iterator<Item = (&'a str, &'a [u8])>,
        _: &mut Vec<u8>,
    ) {
    }
}
