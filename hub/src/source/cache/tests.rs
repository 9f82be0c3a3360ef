use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn open(dir: &Path, max_size: u64) -> Arc<Cache> {
    Cache::open(&CacheConfig {
        dir: dir.to_owned(),
        max_size,
    })
    .unwrap()
}

fn cache(max_size: u64) -> (TempDir, Arc<Cache>) {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path(), max_size);
    (dir, cache)
}

/// Content of `size` bytes that is `number`'s own.
fn content(number: u8, size: usize) -> Vec<u8> {
    vec![number; size]
}

async fn put(cache: &Arc<Cache>, content: &[u8]) -> Blob {
    let mut incoming = cache.begin(content.len() as u64).await.unwrap();
    for chunk in content.chunks(7) {
        incoming.write(chunk).await.unwrap();
    }
    incoming.finish(Some(&Digest::of(content))).await.unwrap()
}

async fn has(cache: &Arc<Cache>, content: &[u8]) -> bool {
    let blob = cache.get(&Digest::of(content)).await.unwrap();
    if let Some(blob) = &blob {
        assert_eq!(read(blob), content);
    }
    blob.is_some()
}

fn read(blob: &Blob) -> Vec<u8> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut blob.open().unwrap(), &mut bytes).unwrap();
    bytes
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn what_was_put_is_there_also_for_the_next_process() {
    let (dir, cache) = cache(1000);
    let blob = put(&cache, b"package").await;
    assert_eq!((read(&blob), blob.size()), (b"package".to_vec(), 7));
    assert!(has(&cache, b"package").await);
    assert!(has(&open(dir.path(), 1000), b"package").await);
    assert!(!has(&cache, b"other").await);
    assert_eq!(files(&cache.temporary), 0);
}

#[tokio::test]
async fn another_digest_is_not_kept() {
    let (_dir, cache) = cache(1000);
    let mut incoming = cache.begin(5).await.unwrap();
    incoming.write(b"wrong").await.unwrap();
    let rejected = incoming
        .finish(Some(&Digest::of(b"right")))
        .await
        .unwrap_err();
    assert!(matches!(rejected, Rejected::Digest(digest) if digest == Digest::of(b"wrong")));
    assert_eq!((files(&cache.blobs), files(&cache.temporary)), (0, 0));
}

#[tokio::test]
async fn a_restart_forgets_what_was_written() {
    let (_dir, cache) = cache(1000);
    let mut incoming = cache.begin(5).await.unwrap();
    incoming.write(b"wrong and longer").await.unwrap();
    incoming.restart().await.unwrap();
    assert_eq!(incoming.written(), 0);
    incoming.write(b"right").await.unwrap();
    assert_eq!(read(&incoming.finish(None).await.unwrap()), b"right");
}

#[tokio::test]
async fn a_restart_forgets_what_is_on_the_disk_already() {
    let (_dir, cache) = cache(1 << 20);
    let large = vec![7; 700_000];
    let mut incoming = cache.begin(700_000).await.unwrap();
    for content in vec![1; 500_000].chunks(100_000) {
        incoming.write(content).await.unwrap();
    }
    incoming.restart().await.unwrap();
    for content in large.chunks(90_000) {
        incoming.write(content).await.unwrap();
    }
    let blob = incoming.finish(Some(&Digest::of(&large))).await.unwrap();
    assert_eq!(read(&blob), large);
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let (_dir, cache) = cache(1000);
    let mut incoming = cache.begin(7).await.unwrap();
    incoming.write(b"pack").await.unwrap();
    assert_eq!(
        (
            files(&cache.temporary),
            cache.incoming.load(Ordering::Relaxed)
        ),
        (1, 7)
    );
    drop(incoming);
    assert_eq!(
        (
            files(&cache.temporary),
            cache.incoming.load(Ordering::Relaxed)
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn damage_is_found_and_removed() {
    for damage in [b"pacKage".as_slice(), b"pack", b"", b"package and more"] {
        let (dir, cache) = cache(1000);
        let path = cache.path(put(&cache, b"package").await.digest());
        fs::write(&path, damage).unwrap();
        assert!(
            !has(&cache, b"package").await,
            "by the process that wrote it: {damage:?}"
        );
        assert!(!path.exists());

        put(&cache, b"package").await;
        fs::write(&path, damage).unwrap();
        assert!(
            !has(&open(dir.path(), 1000), b"package").await,
            "by the next process: {damage:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_vanished_is_not_there() {
    let (_dir, cache) = cache(1000);
    fs::remove_file(cache.path(put(&cache, b"package").await.digest())).unwrap();
    assert!(!has(&cache, b"package").await);
    assert_eq!(cache.index.lock().used(), 0);
}

#[tokio::test]
async fn evict_the_longest_unused_first() {
    let (_dir, cache) = cache(100);
    for number in 0..4 {
        put(&cache, &content(number, 24)).await;
    }
    assert!(has(&cache, &content(0, 24)).await);
    put(&cache, &content(9, 20)).await;
    let mut left = Vec::new();
    for number in 0..4 {
        left.push(has(&cache, &content(number, 24)).await);
    }
    assert_eq!(left, [true, false, false, true]);
    assert!(has(&cache, &content(9, 20)).await);
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let (_dir, cache) = cache(100);
    let held = put(&cache, &content(1, 60)).await;
    put(&cache, &content(2, 60)).await;
    put(&cache, &content(3, 60)).await;
    assert_eq!(read(&held), content(1, 60));
    assert!(!has(&cache, &content(2, 60)).await);
    drop(held);
    put(&cache, &content(4, 60)).await;
    assert!(!has(&cache, &content(1, 60)).await);
}

#[tokio::test]
async fn the_order_survives_a_restart() {
    let (dir, first) = cache(1000);
    for number in 0..3_u8 {
        let path = first.path(put(&first, &content(number, 30)).await.digest());
        let age = Duration::from_secs(if number == 1 { 9000 } else { 100 });
        File::open(path)
            .unwrap()
            .set_modified(std::time::SystemTime::now() - age)
            .unwrap();
    }
    let second = open(dir.path(), 80);
    assert!(!has(&second, &content(1, 30)).await);
    assert!(has(&second, &content(0, 30)).await && has(&second, &content(2, 30)).await);
}

#[tokio::test]
async fn what_others_put_there_counts_at_the_next_sweep() {
    let (dir, one) = cache(100);
    let other = open(dir.path(), 100);
    for number in 0..4 {
        put(&one, &content(number, 24)).await;
    }
    for number in 4..9 {
        put(&other, &content(number, 24)).await;
    }
    assert!(
        files(&one.blobs) <= 5,
        "{} files of 24 bytes",
        files(&one.blobs)
    );
}

#[tokio::test]
async fn a_full_disk_costs_half_of_the_cache() {
    let (_dir, cache) = cache(1000);
    for number in 0..4 {
        put(&cache, &content(number, 25)).await;
    }
    cache.shrink().await.unwrap();
    assert_eq!(cache.index.lock().used(), 50);
    assert!(has(&cache, &content(3, 25)).await && !has(&cache, &content(0, 25)).await);
}

#[tokio::test]
async fn only_abandoned_files_are_cleaned_at_start() {
    let (dir, cache) = cache(1000);
    let old = std::time::SystemTime::now() - Duration::from_mins(10);
    let abandoned = cache.temporary.join("abandoned");
    let young = cache.temporary.join("young");
    File::create(&abandoned).unwrap().set_modified(old).unwrap();
    File::create(&young).unwrap();
    let mut incoming = cache.begin(7).await.unwrap();
    for file in fs::read_dir(&cache.temporary).unwrap() {
        let path = file.unwrap().path();
        if path != young {
            File::open(path).unwrap().set_modified(old).unwrap();
        }
    }

    let _other = open(dir.path(), 1000);
    assert!(!abandoned.exists() && young.exists());
    incoming.write(b"package").await.unwrap();
    assert_eq!(
        read(
            &incoming
                .finish(Some(&Digest::of(b"package")))
                .await
                .unwrap()
        ),
        b"package"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_the_same_do_not_disturb_each_other() {
    let (dir, one) = cache(1 << 20);
    let other = open(dir.path(), 1 << 20);
    let content = content(7, 50_000);
    let writers = (0..16).map(|number| {
        let cache = Arc::clone(if number % 2 == 0 { &one } else { &other });
        let content = content.clone();
        tokio::spawn(async move { read(&put(&cache, &content).await) == content })
    });
    for written in futures::future::join_all(writers).await {
        assert!(written.unwrap());
    }
    assert!(has(&one, &content).await);
    assert_eq!((files(&one.blobs), files(&one.temporary)), (1, 0));
    assert_eq!(one.index.lock().used(), 50_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is put and asked for in whatever order: the bound holds, what is counted is what is
    /// there, and what is there is right.
    #[test]
    fn the_bound_holds(steps in proptest::collection::vec((any::<bool>(), 0_u8..12, 1_usize..40), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_dir, cache) = cache(100);
            for (is_put, number, size) in steps {
                let content = content(number, size);
                if is_put {
                    put(&cache, &content).await;
                    assert!(has(&cache, &content).await);
                } else {
                    has(&cache, &content).await;
                }
                let sizes = fs::read_dir(&cache.blobs).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
                let used: u64 = sizes.sum();
                assert_eq!(used, cache.index.lock().used());
                assert!(used <= 100, "{used}");
            }
        });
    }
}
