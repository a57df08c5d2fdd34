# One instance with a standby in another zone; one database per service, as `sps up` makes them.
locals {
  databases = toset(["sps_contract_api", "sps_carrier_gateway", "sps_payment_gateway", "sps_settlement"])
}

resource "alicloud_db_instance" "main" {
  instance_name            = var.name
  engine                   = "PostgreSQL"
  engine_version           = "16.0"
  category                 = "HighAvailability"
  instance_type            = var.database_type
  instance_storage         = var.database_gb
  db_instance_storage_type = "cloud_essd"
  instance_charge_type     = "Postpaid"
  zone_id                  = var.zones[0]
  zone_id_slave_a          = var.zones[1]
  vswitch_id               = join(",", slice(alicloud_vswitch.machines[*].id, 0, 2))
  security_ips             = [var.vpc_cidr]
  ssl_action               = "Open"
  deletion_protection      = true
}

resource "alicloud_rds_account" "sps" {
  db_instance_id   = alicloud_db_instance.main.id
  account_name     = "sps"
  account_password = var.database_password
  account_type     = "Super"
}

resource "alicloud_db_database" "service" {
  for_each      = local.databases
  instance_id   = alicloud_db_instance.main.id
  name          = each.value
  character_set = "UTF8"
}

resource "alicloud_db_backup_policy" "main" {
  instance_id                 = alicloud_db_instance.main.id
  preferred_backup_period     = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
  preferred_backup_time       = "01:00Z-02:00Z"
  backup_retention_period     = 30
  enable_backup_log           = true
  log_backup_retention_period = 30
}
