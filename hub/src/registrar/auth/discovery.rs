//! What FlyteAdmin says of the tokens that it wants.

use flyte_registration_proto::flyteidl::service::{
    OAuth2MetadataRequest, PublicClientAuthConfigRequest, PublicClientAuthConfigResponse,
    auth_metadata_service_client::AuthMetadataServiceClient,
};
use tonic::{Code, metadata::AsciiMetadataKey};

use super::{
    AuthConfig,
    config::{header, is_scope},
    error::{AuthError, Cause},
};
use crate::registrar::wire::Lenient;

/// Largest answer.
const ANSWER_MAX: usize = 64 << 10;
/// Most scopes that are asked for.
const SCOPES_MAX: usize = 32;
/// Where clients of FlyteAdmin put a token if they are told nothing else.
const HEADER: &str = "authorization";

/// Asks FlyteAdmin, as far as the configuration does not say it.
pub(super) struct Discovery {
    client: AuthMetadataServiceClient<Lenient>,
    token_url: Option<String>,
    scopes: Vec<String>,
    header: Option<String>,
}

/// A token that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where it is given out; not yet checked.
    pub(super) url: String,
    /// What to ask for; never empty.
    pub(super) scopes: Vec<String>,
    /// Where to put it.
    pub(super) header: AsciiMetadataKey,
}

impl Discovery {
    pub(super) fn new(config: &AuthConfig, channel: Lenient) -> Self {
        let client = AuthMetadataServiceClient::new(channel);
        Self {
            client: client.max_decoding_message_size(ANSWER_MAX),
            token_url: config.token_url.clone(),
            scopes: config.scopes.clone(),
            header: config.authorization_header.clone(),
        }
    }

    /// Which token FlyteAdmin wants; `None` if none.
    pub(super) async fn look(&self) -> Result<Option<Wanted>, AuthError> {
        let (url, public) = futures::join!(self.url(), self.public());
        // FlyteAdmin has the service if it asks for tokens. What stands before it may ask as well.
        let (Some(url), public) = (url?, public?) else {
            return Ok(None);
        };
        self.wanted(url, public.unwrap_or_default()).map(Some)
    }

    async fn url(&self) -> Result<Option<String>, AuthError> {
        if let Some(url) = &self.token_url {
            return Ok(Some(url.clone()));
        }
        let request = OAuth2MetadataRequest {};
        match self.client.clone().get_o_auth2_metadata(request).await {
            Ok(answer) => Ok(Some(answer.into_inner().token_endpoint)),
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            Err(status) => Err(AuthError::new(Cause::Discovery(status.code()))),
        }
    }

    async fn public(&self) -> Result<Option<PublicClientAuthConfigResponse>, AuthError> {
        if !self.scopes.is_empty() && self.header.is_some() {
            return Ok(None);
        }
        let request = PublicClientAuthConfigRequest {};
        match self.client.clone().get_public_client_config(request).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            Err(status) => Err(AuthError::new(Cause::Discovery(status.code()))),
        }
    }

    fn wanted(
        &self,
        url: String,
        public: PublicClientAuthConfigResponse,
    ) -> Result<Wanted, AuthError> {
        let mut scopes = if self.scopes.is_empty() {
            public.scopes
        } else {
            self.scopes.clone()
        };
        // FlyteAdmin gives a token without scopes, and takes it for a user who may do everything.
        scopes.retain(|scope| is_scope(scope));
        scopes.truncate(SCOPES_MAX);
        if scopes.is_empty() {
            return Err(AuthError::new(Cause::NoScope));
        }
        let told = Some(public.authorization_metadata_key).filter(|name| !name.is_empty());
        let name = self.header.clone().or(told);
        let header = header(name.as_deref().unwrap_or(HEADER));
        Ok(Wanted {
            url,
            scopes,
            header: header.ok_or(AuthError::new(Cause::Header))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registrar::endpoint;

    fn discovery(scopes: &[&str], header: Option<&str>) -> Discovery {
        let config = serde_json::json!({"endpoint": "localhost:1", "insecure": true});
        let channels = endpoint::channels(&serde_json::from_value(config).unwrap()).unwrap();
        Discovery {
            client: AuthMetadataServiceClient::new(Lenient(channels)),
            token_url: None,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            header: header.map(str::to_owned),
        }
    }

    fn public(scopes: &[&str], header: &str) -> PublicClientAuthConfigResponse {
        PublicClientAuthConfigResponse {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            authorization_metadata_key: header.to_owned(),
            ..PublicClientAuthConfigResponse::default()
        }
    }

    #[tokio::test]
    async fn the_configuration_comes_first() {
        let told = public(&["all", "offline"], "flyte-authorization");
        let wanted = |discovery: Discovery| discovery.wanted("u".to_owned(), told.clone()).unwrap();
        let one = wanted(discovery(&[], None));
        assert_eq!(one.scopes, ["all", "offline"]);
        assert_eq!(one.header.as_str(), "flyte-authorization");
        let other = wanted(discovery(&["all"], Some("Authorization")));
        assert_eq!(other.scopes, ["all"]);
        assert_eq!(other.header.as_str(), "authorization");
    }

    #[tokio::test]
    async fn a_token_without_scope_is_never_asked_for() {
        for told in [&[] as &[&str], &[""], &[" ", "a b"]] {
            let told = public(told, "");
            let error = discovery(&[], None).wanted("u".to_owned(), told);
            assert!(error.unwrap_err().to_string().contains("auth.scopes"));
        }
    }

    #[tokio::test]
    async fn the_header_of_those_who_are_told_nothing() {
        let wanted = discovery(&["all"], None).wanted("u".to_owned(), public(&[], ""));
        assert_eq!(wanted.unwrap().header.as_str(), "authorization");
        let wrong = discovery(&["all"], None).wanted("u".to_owned(), public(&[], "grpc-status"));
        assert!(wrong.is_err());
    }
}
