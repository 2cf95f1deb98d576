namespace Accelerated.Agent.Etcd;

/// <summary>What happened to a watched key.</summary>
public enum EtcdWatchEventKind
{
    /// <summary>It was created or changed.</summary>
    Put,

    /// <summary>It was removed, or its etcd lease ended.</summary>
    Delete,
}
