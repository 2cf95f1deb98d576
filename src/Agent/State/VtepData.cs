using Accelerated.Interop;

namespace Accelerated.Agent.State;

/// <summary>A lease's <c>BackendData</c> for vxlan. Receivers ignore the VNI, as flannel does: the network's config decides it.</summary>
/// <param name="Vni">VNI as written, or null.</param>
/// <param name="Mac">Address of the node's VTEP device.</param>
public sealed record VtepData(uint? Vni, MacAddress Mac);
