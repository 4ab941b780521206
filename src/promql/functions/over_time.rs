//! To come.
pub fn avg(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn count(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn first(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn last(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn max(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn min(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn present(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn quantile(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn stddev(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn stdvar(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn sum(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
