"""Settings of the kubelet: fields of its own configuration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

from flatprov.errors import ConfigError

#: The fields of ``kubelet.config.k8s.io/v1beta1`` up to Kubernetes 1.36 (k8s.io/kubelet, types.go). The kubelet refuses
#: to start with another one.
_NAMES = """
    address allowedUnsafeSysctls authentication authorization cgroupDriver cgroupRoot cgroupsPerQOS clusterDNS
    clusterDomain configMapAndSecretChangeDetectionStrategy containerLogMaxFiles containerLogMaxSize
    containerLogMaxWorkers containerLogMonitorInterval containerRuntimeEndpoint contentType cpuCFSQuota
    cpuCFSQuotaPeriod cpuManagerPolicy cpuManagerPolicyOptions cpuManagerReconcilePeriod crashLoopBackOff
    enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler enableDebuggingHandlers
    enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery enforceNodeAllocatable
    eventBurst eventRecordQPS evictionHard evictionMaxPodGracePeriod evictionMinimumReclaim
    evictionPressureTransitionPeriod evictionSoft evictionSoftGracePeriod failCgroupV1 failSwapOn featureGates
    fileCheckFrequency hairpinMode healthzBindAddress healthzPort httpCheckFrequency imageGCHighThresholdPercent
    imageGCLowThresholdPercent imageMaximumGCAge imageMinimumGCAge imagePullCredentialsVerificationPolicy
    imageServiceEndpoint iptablesDropBit iptablesMasqueradeBit kernelMemcgNotification kubeAPIBurst kubeAPIQPS
    kubeReserved kubeReservedCgroup kubeletCgroups localStorageCapacityIsolation logging makeIPTablesUtilChains
    maxOpenFiles maxParallelImagePulls maxPods memoryManagerPolicy memoryReservationPolicy memorySwap
    memoryThrottlingFactor mergeDefaultEvictionSettings nodeLeaseDurationSeconds nodeStatusMaxImages
    nodeStatusReportFrequency nodeStatusUpdateFrequency oomScoreAdj podCIDR podLogsDir podPidsLimit podsPerCore
    port preloadedImagesVerificationAllowlist protectKernelDefaults providerID qosReserved readOnlyPort
    registerNode registerWithTaints registryBurst registryPullQPS reservedMemory reservedSystemCPUs resolvConf
    rotateCertificates runOnce runtimeRequestTimeout seccompDefault serializeImagePulls serverTLSBootstrap
    showHiddenMetricsForVersion shutdownGracePeriod shutdownGracePeriodByPodPriority
    shutdownGracePeriodCriticalPods singleProcessOOMKill staticPodPath staticPodURL staticPodURLHeader
    streamingConnectionIdleTimeout syncFrequency systemCgroups systemReserved systemReservedCgroup tlsCertFile
    tlsCipherSuites tlsCurvePreferences tlsMinVersion tlsPrivateKeyFile topologyManagerPolicy
    topologyManagerPolicyOptions topologyManagerScope tracing userNamespaces volumePluginDir
    volumeStatsAggPeriod
"""
FIELDS: Final = frozenset(_NAMES.split())
#: What flatprov or kubeadm sets, and why it is not for a pool.
_OURS: Final = {
    "cgroupDriver": "it has to be containerd's, systemd",
    "clusterDNS": "kubeadm sets it from kubernetes.services",
    "clusterDomain": "it comes from kubernetes.dns_domain",
    "featureGates": "set kubernetes.feature_gates",
    "registerWithTaints": "set the pool's taints",
    "staticPodPath": "kubeadm's own manifests lie there",
    "containerRuntimeEndpoint": "it is containerd's socket",
    "authentication": "kubeadm sets it from the cluster's CA",
    "authorization": "kubeadm sets it",
    "volumePluginDir": "the extension has a link for it",
}


def check_kubelet_settings(settings: Mapping[str, Any], path: str, subject: str) -> None:
    """Judge the fields a user sets.

    Raises:
        ConfigError: one is unknown, or is flatprov's to set.
    """
    for name in settings:
        if name in _OURS:
            raise ConfigError(subject, f"{path} sets {name}", _OURS[name], path=f"{path}.{name}")
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, 1)
            fix = f"did you mean {near[0]}?" if near else "take a field of KubeletConfiguration"
            raise ConfigError(subject, f"{path} has {name}, which no kubelet knows", fix, path=f"{path}.{name}")


def kubelet_document(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A KubeletConfiguration with these fields."""
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **settings}
