//! To come.
pub fn absent(_: &super::Arguments<'_>) -> Result<super::super::Value, super::super::EvalError> {
    todo!()
}
