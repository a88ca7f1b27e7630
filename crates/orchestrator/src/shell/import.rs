//! stub
#[derive(Debug, Default)]
/// x
pub struct Imported;
/// x
#[derive(Debug)]
pub struct Note {
    /// x
    pub server: String,
    /// x
    pub message: String,
}
impl Imported {
    /// x
    pub fn add(&mut self, _: &std::path::Path, _: &str) -> Result<(), std::io::Error> { Ok(()) }
    /// x
    pub fn notes(&self) -> Vec<Note> { vec![] }
    /// x
    pub fn json(&self) -> serde_json::Value { serde_json::json!({}) }
    /// x
    pub fn yaml(&self) -> String { String::new() }
}
