"""MiniStack with IAM enforced, every decision about a role written down, and three gaps in it closed.

Usage: emulator.py DECISIONS, with GATEWAY_PORT and the AWS_… variables that its functions inherit.

DECISIONS gets one JSON object for each different decision:
{"role": "…", "action": "dynamodb:Query", "resource": "arn:…", "allowed": true}
"""

import contextvars
import json
import os
import sys

os.environ["AUTH"] = "true"

from ministack import app  # noqa: E402
from ministack.core import iam_actions, iam_evaluator  # noqa: E402

decisions = open(sys.argv[1], "a", buffering=1)
written = set()
evaluate, enforce = iam_evaluator.evaluate, iam_evaluator.enforce
extract_resource_arn = iam_actions.extract_resource_arn
caller = contextvars.ContextVar("caller", default="")
passed_role = contextvars.ContextVar("passed_role", default="")


def noting_the_caller(ctx, policies, *limits):
    caller.set(ctx.principal_arn)
    return evaluate(ctx, policies, *limits)


def recorded(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    caller.set("")
    denied = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
    # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION; the account's own root is asked for nothing.
    kind, _, name = caller.get().partition("/")
    decision = (name.split("/")[0], iam_action, resource_arn, denied is None)
    if kind.endswith(":assumed-role") and decision not in written:
        written.add(decision)
        decisions.write(json.dumps(dict(zip(("role", "action", "resource", "allowed"), decision))) + "\n")
    return denied


# MiniStack takes every schedule to be in the default group …
def with_group(service, method, path, headers, body, query_params, region, account_id):
    arn = extract_resource_arn(service, method, path, headers, body, query_params, region, account_id)
    if service == "scheduler" and ":schedule/default/" in arn:
        request = json.loads(body or b"{}")
        passed_role.set(request.get("Target", {}).get("RoleArn", ""))
        group = request.get("GroupName") or (query_params.get("groupName") or ["default"])[0]
        arn = arn.replace(":schedule/default/", f":schedule/{group}/")
    return arn


# … asks nobody for iam:PassRole, and takes SQS's batches for actions of their own.
def as_aws_asks(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    if service == "sqs":
        iam_action = iam_action.removesuffix("Batch")
    denied = recorded(access_key_id, iam_action, service, region, resource_arn, service_context)
    if denied is None and iam_action in ("scheduler:CreateSchedule", "scheduler:UpdateSchedule"):
        to = {"iam:PassedToService": "scheduler.amazonaws.com"}
        denied = recorded(access_key_id, "iam:PassRole", "iam", region, passed_role.get(), to)
    return denied


iam_evaluator.evaluate = noting_the_caller
iam_evaluator.enforce = as_aws_asks
iam_actions.extract_resource_arn = with_group

sys.argv = sys.argv[:1]
app.main()
