//! Packages that no `pyflyte package` made: each stalls with a message that names the file, in bounded memory.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compress, Compression, FlushCompress, write::GzEncoder};
use flyte_registration_fixtures::builder;
use flyte_registration_proto::flyteidl::core::{
    Identifier, Identity, ResourceType, SecurityContext,
};
use flyte_registration_tests::{System, World, block_on, system::ready};
use prost::Message as _;
use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::support::{SOON, calls, emulator, spec, system};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MIB: u64 = 1024 * 1024;
/// An empty `TaskSpec` has no id, so nothing gets as far as FlyteAdmin with it.
const TASK: &str = "0_etl.extract_1.pb";

#[test]
fn bad_packages_stall_and_are_told_by_file() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("bad").await?;
        let system = system("bad", world, &flyteadmin).await?;
        let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
            (
                "no-gzip",
                b"this is no gzip".to_vec(),
                "PackageInvalid",
                "gzip",
            ),
            ("no-tar", gzip(&[7; 2048])?, "PackageInvalid", "tar"),
            (
                "cut",
                cut(&tar(&[(TASK, EntryType::Regular, b"")])?),
                "PackageInvalid",
                "damaged",
            ),
            (
                "climbing",
                tar(&[("../0_a_1.pb", EntryType::Regular, b"")])?,
                "PackageInvalid",
                "../0_a_1.pb",
            ),
            (
                "absolute",
                tar(&[("/etc/0_a_1.pb", EntryType::Regular, b"")])?,
                "PackageInvalid",
                "etc/0_a_1.pb",
            ),
            (
                "link",
                tar(&[("0_link_1.pb", EntryType::Symlink, b"")])?,
                "PackageInvalid",
                "0_link_1.pb",
            ),
            (
                "twice",
                tar(&[(TASK, EntryType::Regular, b"".as_slice()); 2])?,
                "PackageInvalid",
                TASK,
            ),
            (
                "unknown",
                tar(&[("readme.md", EntryType::Regular, b"hello")])?,
                "PackageInvalid",
                "readme.md",
            ),
            (
                "truncated",
                tar(&[(TASK, EntryType::Regular, b"\x0a\x7f\x01")])?,
                "PackageInvalid",
                TASK,
            ),
            ("empty", tar(&[])?, "PackageInvalid", "holds no files"),
            (
                "elsewhere",
                tar(&[(TASK, EntryType::Regular, &task_of_another_project())])?,
                "PackageInvalid",
                "later:development:etl.extract",
            ),
            (
                "borrowed",
                tar(&[("0_etl_3.pb", EntryType::Regular, &plan_as_somebody_else())])?,
                "Denied",
                "somebody-else",
            ),
            (
                "zeros",
                zeros(10 * 1024 * MIB, None)?,
                "PackageTooLarge",
                "unpacks to more than",
            ),
            (
                "bomb",
                zeros(10 * 1024 * MIB, Some("1_etl.bomb_1.pb"))?,
                "PackageTooLarge",
                "1_etl.bomb_1.pb",
            ),
        ];
        for (name, archive, ..) in &cases {
            push_archive(&system, name, archive).await?;
            system
                .apply(0, name, &spec(&format!("bad/{name}"), "v1"))
                .await?
                .success()?;
        }
        let before = system.hub.rss_bytes()?;
        for (name, _, reason, told) in &cases {
            let resource = stalled(&system, name, reason).await?;
            assert!(
                resource.contains(told),
                "{name}: {told} is not named: {resource}"
            );
        }
        let peak = system.hub.peak_rss_bytes()?;
        println!(
            "hub: {} MiB before, {} MiB at most",
            before / MIB,
            peak / MIB
        );
        assert!(peak < 256 * MIB, "the hub took {peak} bytes");
        assert_eq!(calls(&flyteadmin, None).await?, 0, "FlyteAdmin was called");
        Ok(())
    })
}

/// A task whose id names another project than was asked for. The tenant may register there, too.
fn task_of_another_project() -> Vec<u8> {
    let id = Identifier {
        project: "later".to_owned(),
        domain: "development".to_owned(),
        version: "v1".to_owned(),
        ..builder::id(ResourceType::Task, "etl.extract")
    };
    let mut spec = builder::task("etl.extract");
    spec.template.get_or_insert_default().id = Some(id);
    spec.encode_to_vec()
}

/// A launch plan that runs under a service account which the tenant does not list.
fn plan_as_somebody_else() -> Vec<u8> {
    let run_as = Identity {
        k8s_service_account: "somebody-else".to_owned(),
        ..Identity::default()
    };
    let mut plan = builder::launch_plan("etl", "etl");
    plan.spec.get_or_insert_default().security_context = Some(SecurityContext {
        run_as: Some(run_as),
        ..SecurityContext::default()
    });
    plan.encode_to_vec()
}

/// Waits until the resource stalls with this reason, and gives its message.
async fn stalled(system: &System<'_>, name: &str, reason: &str) -> Result<String> {
    flyte_registration_tests::wait_until(SOON, &format!("{name} stalls"), || async {
        let resource = system.get(0, name).await?;
        let condition = ready(&resource);
        let conditions = resource["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let stalled = conditions
            .iter()
            .any(|other| other["type"] == "Stalled" && other["status"] == "True");
        anyhow::ensure!(
            stalled && condition["reason"] == reason,
            "{:#}",
            resource["status"]
        );
        Ok(condition["message"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

async fn push_archive(system: &System<'_>, name: &str, archive: &[u8]) -> Result<()> {
    let (registry, repository) = (system.setup.registry, format!("bad/{name}"));
    let config = registry.put_blob(&repository, "{}").await?;
    let layer = registry.put_blob(&repository, archive).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": LAYER, "digest": layer, "size": archive.len()}],
    });
    registry
        .put_manifest(&repository, "v1", MANIFEST, manifest.to_string())
        .await?;
    Ok(())
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

fn cut(archive: &[u8]) -> Vec<u8> {
    archive[..archive.len() / 2].to_vec()
}

/// Written field by field, as the library refuses to write what is bad.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn tar(entries: &[(&str, EntryType, &[u8])]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        tar.append(&header(name, *kind, content.len() as u64), *content)?;
    }
    gzip(&tar.into_inner()?)
}

/// A gzip of `size` zeros, after the header of a file of that name. Made of one compressed piece
/// that is repeated, so that it takes no time to make. Its checksum is wrong, which only a reader
/// that went through all of it could see.
fn zeros(size: u64, name: Option<&str>) -> Result<Vec<u8>> {
    const PIECE: u64 = 16 * MIB;
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    if let Some(name) = name {
        bomb.extend(piece(header(name, EntryType::Regular, size).as_bytes())?);
    }
    let piece = piece(&vec![0; usize::try_from(PIECE)?])?;
    for _ in 0..size / PIECE {
        bomb.extend(&piece);
    }
    // An empty last block, checksum, size.
    bomb.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Ok(bomb)
}

/// `bytes` as blocks of a deflate stream that end at a byte and depend on nothing before them.
fn piece(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() / 2 + 1024);
    Compress::new(Compression::best(), false).compress_vec(bytes, &mut out, FlushCompress::Full)?;
    Ok(out)
}
