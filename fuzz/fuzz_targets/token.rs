#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flyte_registration_fuzz::token::run(data));
