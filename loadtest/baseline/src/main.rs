//! The function `chat` of `loadtest/baseline/topology.yaml`.

use std::process::ExitCode;

use baseline::Recipe;
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let recipe = match Recipe::from_environment() {
        Ok(recipe) => recipe,
        Err(error) => return fail(&error),
    };
    let handle = async |event: LambdaEvent<_>| Ok::<_, lambda_runtime::Error>(recipe.handle(event.payload).await);
    match lambda_runtime::run(service_fn(handle)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &impl std::fmt::Display) -> ExitCode {
    eprintln!("the recipe cannot run: {error}");
    ExitCode::FAILURE
}
