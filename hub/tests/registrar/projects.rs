//! Projects that are missing, and created where that is allowed.

use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_fixtures::packages::ETL;
use flyte_registration_hub::package::{ExternalReference, Id, Plan};
use flyte_registration_proto::flyteidl::{
    admin::{Project, project::ProjectState},
    service::admin_service_client::AdminServiceClient,
};

use super::{Peer, creates, peer, planned, refused::failed, target};

const NEW: &str = "brand-new";

fn plan(version: &str) -> Plan {
    let mut new = target(version);
    NEW.clone_into(&mut new.project);
    Plan {
        create_project: true,
        ..planned(ETL, &new)
    }
}

impl Peer {
    async fn project(&self, state: ProjectState) {
        let client = AdminServiceClient::connect(format!("http://{}", self.emulator.grpc));
        let mut client = client.await.unwrap();
        let project = Project {
            id: NEW.to_owned(),
            name: NEW.to_owned(),
            ..Project::default()
        };
        let request = flyte_registration_proto::flyteidl::admin::ProjectRegisterRequest {
            project: Some(project.clone()),
        };
        client.register_project(request).await.unwrap();
        let project = Project {
            state: state.into(),
            ..project
        };
        client.update_project(project).await.unwrap();
        self.emulator.counters().reset();
    }
}

#[tokio::test]
async fn a_missing_project_is_created_where_that_is_allowed() {
    let peer = peer().await;
    let report = peer.registrar.register(&plan("v1")).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.created, 10);
    assert_eq!(peer.counts().by_rpc["RegisterProject"], 1);
    // The next one finds it.
    assert_eq!(peer.registrar.register(&plan("v2")).await.failure, None);
    assert!(!peer.counts().by_rpc.contains_key("RegisterProject"));
}

#[tokio::test]
async fn none_is_created_while_anything_else_is_wrong() {
    let peer = peer().await;
    let mut wrong = plan("v1");
    wrong.target.domain = "qa".to_owned();
    let report = peer.registrar.register(&wrong).await;
    let message = "domain qa does not exist; there are development, staging, production";
    assert_eq!(failed(&report), (Reason::DomainNotFound, message));

    let missing = ExternalReference {
        kind: EntityType::Task,
        id: Id {
            project: "data-warehouse".to_owned(),
            domain: "production".to_owned(),
            name: "lib.t".to_owned(),
            version: "1".to_owned(),
        },
    };
    let wrong = Plan {
        external: vec![missing],
        ..plan("v1")
    };
    let report = peer.registrar.register(&wrong).await;
    assert_eq!(failed(&report).0, Reason::ReferenceNotFound);
    assert!(!peer.counts().by_rpc.contains_key("RegisterProject"));
}

#[tokio::test]
async fn an_archived_project_stays_archived() {
    let peer = peer().await;
    peer.project(ProjectState::Archived).await;
    let archived = (Reason::ProjectNotFound, "project brand-new is archived");
    let report = peer.registrar.register(&plan("v1")).await;
    assert_eq!(failed(&report), archived);
    // Archived at the very moment at which it seemed to be missing.
    peer.fault(r#"{"rpc": "GetProject", "action": {"fail": {"code": 5}}, "count": 1}"#);
    let report = peer.registrar.register(&plan("v1")).await;
    assert_eq!(failed(&report), archived);
    let counts = peer.counts();
    assert_eq!(counts.by_rpc["RegisterProject"], 1);
    assert!(!counts.by_rpc.contains_key("UpdateProject"));
    assert_eq!(creates(&counts), 0);
}

#[tokio::test]
async fn a_project_that_another_creates_meanwhile_serves_as_well() {
    let peer = peer().await;
    peer.project(ProjectState::Active).await;
    peer.fault(r#"{"rpc": "GetProject", "action": {"fail": {"code": 5}}, "count": 1}"#);
    let report = peer.registrar.register(&plan("v1")).await;
    assert_eq!(report.failure, None);
    assert_eq!(peer.counts().by_rpc["RegisterProject"], 1);
}

#[tokio::test]
async fn a_lost_answer_to_the_creation_is_no_failure() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "RegisterProject", "action": "lostAnswer", "count": 1}"#);
    assert_eq!(peer.registrar.register(&plan("v1")).await.failure, None);
    assert_eq!(peer.counts().by_rpc["RegisterProject"], 2);
}

#[tokio::test]
async fn a_refused_creation_says_why() {
    let peer = peer().await;
    let mut odd = plan("v1");
    odd.target.project = "Brand.New".to_owned();
    let report = peer.registrar.register(&odd).await;
    let (reason, message) = failed(&report);
    assert_eq!(reason, Reason::FlyteRejected);
    let begin = "project Brand.New cannot be created: invalid project id [Brand.New]";
    assert!(message.starts_with(begin), "{message}");
}

#[tokio::test]
async fn many_packages_for_a_new_project_create_it_once() {
    let peer = peer().await;
    let plans: Vec<_> = (0..10).map(|n| plan(&format!("v{n}"))).collect();
    let reports = plans.iter().map(|plan| peer.registrar.register(plan));
    for report in futures::future::join_all(reports).await {
        assert_eq!(report.failure, None);
    }
    assert_eq!(peer.counts().by_rpc["RegisterProject"], 1);
}
