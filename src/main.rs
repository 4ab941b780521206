//! The `earlystop` command. Everything is in the library; see [`earlystop::cli`].

fn main() -> std::process::ExitCode {
    earlystop::cli::main()
}
