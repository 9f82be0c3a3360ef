//! Values as Go prints them: the real server's messages are full of them.

pub mod json;
pub mod print;
pub mod text;
