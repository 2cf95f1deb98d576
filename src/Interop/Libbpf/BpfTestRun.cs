namespace Accelerated.Interop.Libbpf;

/// <summary>The outcome of a program's run on one packet.</summary>
/// <param name="ReturnValue">What it returned: for tc programs TC_ACT_UNSPEC -1, OK 0, SHOT 2, REDIRECT 7.</param>
/// <param name="Packet">The packet as it left it, from the Ethernet header on.</param>
/// <param name="Duration">The average time of one repetition.</param>
public sealed record BpfTestRun(int ReturnValue, byte[] Packet, TimeSpan Duration);
