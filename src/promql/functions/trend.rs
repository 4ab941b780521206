//! To come.
pub fn deriv(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn predict_linear(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
