//! To come.
pub fn changes(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn delta(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn idelta(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn increase(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn irate(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn rate(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
pub fn resets(_: &super::Window<'_>) -> Option<f64> {
    todo!()
}
