output "address" {
  description = "The machine's public address."
  value       = alicloud_eip_address.node.ip_address
}

output "next" {
  description = "What to do now: steps 2 to 6 of docs/run-a-node.md."
  value       = "ssh root@${alicloud_eip_address.node.ip_address}; cd /; runuser -u sps -- sps node init --name ${var.name} --url http://${alicloud_eip_address.node.ip_address}:8101"
}
