//! The deployment itself, on an emulator of AWS: `infra/template.yaml` and the binaries that Lambda runs.
//! `tests/aws/run` builds, deploys, and runs these modules one after the other: `drive`, then
//! `dead_letters`, then `permissions`, which looks at what the two before have made the functions do.
#![allow(clippy::unwrap_used)]

mod dead_letters;
mod drive;
mod permissions;
mod stack;
mod stand_in;
mod world;
