# ApsaraMQ for Kafka, Professional: the topics want local storage (order and idempotence), see ../README.md.
locals {
  topics = {
    "sps.transactions.v1" = 12
    "sps.consensus.v1"    = 1
    "sps.blocks.v1"       = 1
    "sps.payouts.v1"      = 12
  }
}

resource "alicloud_alikafka_instance" "main" {
  name            = var.name
  paid_type       = "PrePaid" # the Professional edition is not sold otherwise
  spec_type       = "professional"
  service_version = "2.2.0"
  deploy_type     = 5 # in the network alone
  io_max          = 20
  partition_num   = var.kafka_partitions
  disk_type       = 1
  disk_size       = 500
  vpc_id          = alicloud_vpc.main.id
  vswitch_id      = alicloud_vswitch.machines[0].id
  zone_id         = var.zones[0]
  selected_zones  = var.zones
  security_group  = alicloud_security_group.kafka.id
  config = jsonencode({
    "enable.acl"                = "true"
    "enable.vpc_sasl_ssl"       = "true"
    "kafka.log.retention.hours" = "72"
    "kafka.message.max.bytes"   = "1048588"
  })
}

resource "alicloud_alikafka_topic" "topic" {
  for_each      = local.topics
  instance_id   = alicloud_alikafka_instance.main.id
  topic         = each.key
  partition_num = each.value
  local_topic   = true
  compact_topic = false
  remark        = "smart payment service"
}
