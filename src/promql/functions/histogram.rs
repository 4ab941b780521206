//! To come.
pub fn fraction(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
pub fn quantile(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
