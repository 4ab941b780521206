//! To come.
pub fn pi(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
pub fn scalar(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
pub fn time(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
pub fn vector(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
