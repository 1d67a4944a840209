//! Credentials in SSM Parameter Store: one SecureString each, under AWS's own key for it.

use aws_sdk_ssm::operation::delete_parameter::DeleteParameterError;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use domain::ids::TenantId;
use engine::PortError;
use engine::ports::{PortResult, Secrets};
use serde_json::Value;

use crate::error::port_error;

/// Parameters `{path}/{tenant}/{name}`.
#[derive(Debug, Clone)]
pub struct SsmSecrets {
    ssm: aws_sdk_ssm::Client,
    path: String,
}

impl SsmSecrets {
    /// `path` is the deployment's own, with a leading slash and none at the end.
    pub fn new(ssm: aws_sdk_ssm::Client, path: String) -> Self {
        Self { ssm, path }
    }

    fn name(&self, tenant: TenantId, name: &str) -> String {
        format!("{}/{tenant}/{name}", self.path)
    }
}

impl Secrets for SsmSecrets {
    /// Beyond 4 KB (old credentials beside the new) a parameter becomes an advanced one by itself.
    async fn put_secret(&self, tenant: TenantId, name: &str, value: &Value) -> PortResult<()> {
        self.ssm
            .put_parameter()
            .name(self.name(tenant, name))
            .r#type(ParameterType::SecureString)
            .tier(ParameterTier::IntelligentTiering)
            .overwrite(true)
            .value(value.to_string())
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("PutParameter", &error))
    }

    async fn secret(&self, tenant: TenantId, name: &str) -> PortResult<Option<Value>> {
        let asked = self.ssm.get_parameter().name(self.name(tenant, name)).with_decryption(true).send().await;
        let text = match asked {
            Ok(found) => found.parameter.and_then(|parameter| parameter.value),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                return Ok(None);
            }
            Err(error) => return Err(port_error("GetParameter", &error)),
        };
        let value = text.and_then(|text| serde_json::from_str(&text).ok());
        value.map(Some).ok_or_else(|| PortError::Poison("GetParameter: not what was put".into()))
    }

    async fn delete_secret(&self, tenant: TenantId, name: &str) -> PortResult<()> {
        match self.ssm.delete_parameter().name(self.name(tenant, name)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(DeleteParameterError::is_parameter_not_found) => Ok(()),
            Err(error) => Err(port_error("DeleteParameter", &error)),
        }
    }
}
