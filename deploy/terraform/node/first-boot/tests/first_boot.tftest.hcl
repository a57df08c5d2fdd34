variables {
  release_url    = "https://releases.example/release-1.tar.gz"
  release_sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
}

run "the_release_is_fetched_and_checked" {
  command = plan
  assert {
    condition     = startswith(output.user_data, "#cloud-config\n")
    error_message = "cloud-init would not take it"
  }
  assert {
    condition = strcontains(
      base64decode(yamldecode(output.user_data).write_files[0].content),
      "'https://releases.example/release-1.tar.gz'"
    )
    error_message = "the release is not fetched"
  }
  assert {
    condition = strcontains(
      base64decode(yamldecode(output.user_data).write_files[0].content),
      "${var.release_sha256}  "
    )
    error_message = "the release is not checked"
  }
}

run "an_address_without_tls_is_refused" {
  command = plan
  variables {
    release_url = "http://releases.example/release-1.tar.gz"
  }
  expect_failures = [var.release_url]
}

run "an_address_that_would_end_the_quotes_is_refused" {
  command = plan
  variables {
    release_url = "https://x/'; reboot; '"
  }
  expect_failures = [var.release_url]
}

run "a_digest_that_is_none_is_refused" {
  command = plan
  variables {
    release_sha256 = "latest"
  }
  expect_failures = [var.release_sha256]
}
