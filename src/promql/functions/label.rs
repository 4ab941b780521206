//! To come.
pub fn join(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
pub fn replace(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
