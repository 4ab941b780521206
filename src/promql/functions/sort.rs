//! To come.
pub fn up(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
pub fn down(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
