namespace Accelerated.Agent.Datapath.Lanes;

/// <summary><c>--bpf-compile</c>: when the programs are compiled on this host.</summary>
public enum LaneCompile
{
    /// <summary>When the kernel's verifier refuses the object in the agent's binary.</summary>
    Auto,

    /// <summary>Always; the object in the binary is what is left if that fails.</summary>
    Always,

    /// <summary>Never.</summary>
    Never,
}
