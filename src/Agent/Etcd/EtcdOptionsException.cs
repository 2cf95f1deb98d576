namespace Accelerated.Agent.Etcd;

/// <summary>An option of the etcd client is wrong. The message names the flag, what is wrong with it and the remedy.</summary>
public sealed class EtcdOptionsException : ArgumentException
{
    /// <summary>Makes one.</summary>
    /// <param name="message">Flag, fault and remedy; never a secret.</param>
    /// <param name="inner">What lies underneath, if anything.</param>
    public EtcdOptionsException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
