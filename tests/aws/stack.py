"""Prints what was deployed, as JSON: the stack's resources by logical name, and what its roles may do.

Usage: stack.py STACK
"""

import json
import sys

import boto3

resources = boto3.client("cloudformation").describe_stack_resources(StackName=sys.argv[1])["StackResources"]
names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

iam = boto3.client("iam")
roles = {}
for resource in resources:
    if resource["ResourceType"] != "AWS::IAM::Role":
        continue
    role = resource["PhysicalResourceId"]
    assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], f"{role} has managed policies"
    roles[role] = [
        statement
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]
    ]

print(json.dumps({"resources": names, "roles": roles}, indent=2))
