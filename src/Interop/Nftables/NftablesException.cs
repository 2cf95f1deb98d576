namespace Accelerated.Interop.Nftables;

/// <summary>libnftables or the kernel refused a batch of commands; nothing of it was applied.</summary>
/// <param name="commands">What was to be run.</param>
/// <param name="output">What libnftables printed: the error, the command and carets under the place.</param>
public sealed class NftablesException(string commands, string output) : Exception($"nftables: {output.Trim()}")
{
    /// <summary>What was to be run.</summary>
    public string Commands { get; } = commands;

    /// <summary>What libnftables printed.</summary>
    public string Output { get; } = output;
}
