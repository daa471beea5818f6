"""Certificates of decisions: what was decided, and all it takes to derive that again without a store.

There are two kinds, told apart by `kind`: of a problem (`worker.canon.certificate_problem`) and of a request's decision
(`worker.canon.certificate_request`).
"""

from __future__ import annotations

from worker.canon.certificate_form import CertificateError, fault
from worker.canon.certificate_problem import KIND as PROBLEM
from worker.canon.certificate_problem import certificate_of, verify_problem_certificate
from worker.canon.certificate_request import KIND as REQUEST
from worker.canon.certificate_request import certificate_of_request, verify_request_certificate
from worker.ports import Hasher

__all__ = ["CertificateError", "certificate_of", "certificate_of_request", "verify_certificate"]


def verify_certificate(plain: object, hasher: Hasher) -> None:
    """Derive a certificate's decision again, in time linear in its size. Raises: CertificateError: the first fault."""
    kind = plain.get("kind") if type(plain) is dict else None
    if kind == PROBLEM:
        verify_problem_certificate(plain, hasher)
    elif kind == REQUEST:
        verify_request_certificate(plain, hasher)
    else:
        raise fault("kind", f"is neither {PROBLEM} nor {REQUEST}")
