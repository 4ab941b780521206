//! To come.
pub fn day_of_month(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn day_of_week(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn day_of_year(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn days_in_month(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn hour(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn minute(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn month(_: f64, _: &[f64]) -> f64 {
    todo!()
}
pub fn year(_: f64, _: &[f64]) -> f64 {
    todo!()
}
