"""Run a stage of a rollout on hosts, with Ansible or in a simulation."""
