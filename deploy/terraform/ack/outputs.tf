output "cluster_id" {
  description = "For the kubeconfig: `aliyun cs GET /k8s/<id>/user_config`."
  value       = alicloud_cs_managed_kubernetes.main.id
}

output "rrsa" {
  description = "The OIDC provider that RAM roles of pods trust."
  value       = alicloud_cs_managed_kubernetes.main.rrsa_metadata
}

output "postgres" {
  description = "Host of the database, inside the network."
  value       = alicloud_db_instance.main.connection_string
}

output "kafka" {
  description = "Brokers, inside the network."
  value       = alicloud_alikafka_instance.main.end_point
}
